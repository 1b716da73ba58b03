(** Chapter 06, adversarial training that needs (R / eps)^2 rounds: the game of equality. *)

From Coq Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training.
Open Scope R_scope.

Definition basis (T k : nat) : euclidean T := fun i => if Nat.eqb i k then 1 else 0.
Definition linear (T : nat) (w x : euclidean T) : R := << w, x >>.
Definition corner (T : nat) (i : nat) (x : euclidean T) : Prop :=
  exists k, (k < T)%nat /\ x = basis T k.

(** One point, with label -1. *)
Definition served (T k : nat) (w : euclidean T) : R :=
  frozen_loss hinge (linear T) 1 (fun _ => -1) (fun _ => basis T k) w.
Definition robust_at (T : nat) (w : euclidean T) (M : R) : Prop :=
  is_robust_loss hinge (linear T) 1 (fun _ => -1) (corner T) w M.

Lemma dot_basis T k (w : euclidean T) : (k < T)%nat -> << w, basis T k >> = w k.
Proof.
  intros Hk. change (total T (fun i => w i * basis T k i) = w k).
  rewrite (total_one T _ k Hk).
  - unfold basis. rewrite Nat.eqb_refl. ring.
  - intros j _ Hj. unfold basis. apply Nat.eqb_neq in Hj. rewrite Hj. ring.
Qed.

Lemma served_hinge T k w : (k < T)%nat -> served T k w = Rmax 0 (1 + w k).
Proof.
  intros Hk. unfold served, frozen_loss, mean, hinge, linear. cbn [total].
  rewrite dot_basis by easy. simpl INR.
  replace (1 - -1 * w k) with (1 + w k) by ring. field.
Qed.

Lemma robust_lub T w M : (0 < T)%nat ->
  (forall k, (k < T)%nat -> Rmax 0 (1 + w k) <= M) ->
  (exists k, (k < T)%nat /\ Rmax 0 (1 + w k) = M) -> robust_at T w M.
Proof.
  intros HT Hup (k & Hk & HM). exists (fun _ => M). split; [|unfold mean; simpl; field].
  intros i _. split.
  - intros l (x & (j & Hj & ->) & ->). unfold hinge, linear. rewrite dot_basis by easy.
    replace (1 - -1 * w j) with (1 + w j) by ring. now apply Hup.
  - intros b Hb. apply Hb. exists (basis T k). split; [now exists k|].
    unfold hinge, linear. rewrite dot_basis by easy.
    now replace (1 - -1 * w k) with (1 + w k) by ring.
Qed.

(** The point of a ball around 0 that is nearest to v is a multiple c v with c in [0, 1]. *)
Lemma ball_projection T (Rad : R) (v p : euclidean T) : 0 < Rad ->
  is_projection (fun w => norm w <= Rad) v p ->
  exists c, 0 <= c <= 1 /\ forall i, (i < T)%nat -> p i = c * v i.
Proof.
  intros HR [Hp Hmin].
  (* a vector of norm zero has no coordinate *)
  assert (zero : forall d : euclidean T, << d, d >> <= 0 -> forall i, (i < T)%nat -> d i = 0).
  { intros d Hd i Hi. assert (H : d i ^ 2 <= 0).
    { rewrite <- (dot_basis T i d Hi). eapply Rle_trans; [apply cauchy_schwarz_sqr|].
      assert (P := dot_pos _ (basis T i)). assert (P' := dot_pos _ d). nra. }
    nra. }
  assert (diff : forall (a b : euclidean T) (c : R), << a - c * b, a - c * b >> <= 0 ->
    forall i, (i < T)%nat -> a i = c * b i).
  { intros a b c Hd i Hi. assert (Z := zero _ Hd i Hi).
    change (a i + -1 * (c * b i) = 0) in Z. lra. }
  destruct (Rle_or_lt (norm v) Rad) as [Hv|Hv].
  - exists 1. split; [lra|]. apply diff.
    assert (H := Hmin v Hv). rewrite vadd_opp, norm_zero in H.
    apply norm_le_sqr in H. rewrite vscal_one.
    expand_in H. expand. rewrite (dot_sym _ p v) in *. lra.
  - set (c := Rad / norm v). assert (P := norm_pos v).
    assert (Hc : 0 <= c <= 1).
    { split; [apply Rdiv_le_0_compat; lra|]. apply Rmult_le_reg_r with (norm v); [lra|].
      unfold c, Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
    exists c. split; [easy|]. apply diff.
    assert (Hcv : norm (c * v) <= Rad).
    { rewrite norm_vscal, Rabs_pos_eq by easy. unfold c. apply Req_le. field. lra. }
    assert (H := norm_le_sqr _ _ (Hmin _ Hcv)). rewrite norm_sqr in H.
    assert (Ev := norm_sqr v). assert (Ep := norm_sqr p). assert (Pp := norm_pos p).
    assert (CS := dot_le v p). expand_in H. expand. rewrite (dot_sym _ p v) in *.
    set (nv := norm v) in *. set (np := norm p) in *. set (vp := << v, p >>) in *.
    rewrite <- Ev, <- Ep in *.
    assert (Ec : c * nv = Rad) by (unfold c; field; lra).
    assert (Ec2 : c * nv ^ 2 = nv * Rad) by (rewrite <- Ec; ring).
    assert (Ec3 : c * (-1 * (c * nv ^ 2)) = - Rad ^ 2) by (rewrite <- Ec; ring).
    (* 2 <v, p> >= |p|^2 + 2 |v| R - R^2, so |p| = R and <v, p> >= |v| R *)
    assert (H1 : 2 * vp >= np ^ 2 + 2 * nv * Rad - Rad ^ 2).
    { rewrite Ec3, Ec2 in H. lra. }
    assert (H2 : np = Rad).
    { apply Rle_antisym; [easy|]. assert (Z : (Rad - np) * (2 * nv - Rad - np) <= 0) by nra.
      destruct (Rle_or_lt Rad np); [easy|]. assert (0 < 2 * nv - Rad - np) by lra. nra. }
    rewrite H2 in *.
    assert (H3 : c * vp >= Rad ^ 2).
    { assert (vp >= nv * Rad) by lra. assert (c * vp >= c * (nv * Rad)) by nra.
      replace (c * (nv * Rad)) with (c * nv * Rad) in H3 by ring. rewrite Ec in H3. lra. }
    rewrite Ec3. lra.
Qed.

(** Among T indices, fewer than T in a list, one is not in the list. *)
Lemma missing T (l : list nat) : (length l < T)%nat -> exists i, (i < T)%nat /\ ~ In i l.
Proof.
  intros H. destruct (find (fun i => negb (existsb (Nat.eqb i) l)) (seq 0 T)) as [i|] eqn:E.
  - apply find_some in E as [Hi Hn]. exists i. split; [apply in_seq in Hi; lia|].
    intros Hin. assert (X : existsb (Nat.eqb i) l = true)
      by (apply existsb_exists; exists i; split; [easy|apply Nat.eqb_refl]).
    now rewrite X in Hn.
  - exfalso. assert (I : incl (seq 0 T) l).
    { intros i Hi. assert (N := find_none _ _ E i Hi). simpl in N.
      destruct (existsb (Nat.eqb i) l) eqn:X; [|easy].
      apply existsb_exists in X as (j & Hj & Ej). apply Nat.eqb_eq in Ej. now subst. }
    apply NoDup_incl_length in I; [|apply seq_NoDup]. rewrite seq_length in I. lia.
Qed.

Theorem prop_slow_training :
  forall (T : nat) (Rad : R) (alpha : nat -> R) (k : nat -> nat) (w g : nat -> euclidean T),
  (0 < T)%nat ->  (* ours: at least one round *)
  0 < Rad <= sqrt (INR T) ->  (* book: 0<R\le\sqrt T *)
  (forall t, 0 < alpha t) ->  (* book: \alpha_t>0 *)
  w O = vzero ->  (* book: W_0=0 *)
  (forall t, (k t < T)%nat /\ forall j, (j < T)%nat -> served T j (w t) <= served T (k t) (w t)) ->
  (* book: the exact attack *)
  (forall t, is_gradient (served T (k t)) (w t) (g t)) ->  (* book: the hinge loss $\max(0,1+f)$ *)
  (forall t, w (S t) = (w t - alpha t * g t)%vec \/
    is_projection (fun v => norm v <= Rad) (w t - alpha t * g t)%vec (w (S t))) ->
  (* book: with or without projection onto the ball of radius $R$ *)
  (forall t, (t < T)%nat -> served T (k t) (w t) = 1 /\ robust_at T (w t) 1)
  (* book: L_{\mathcal{A}}(W_t)=L_*(W_t)=1\quad(t<T) *)
  /\
  (forall v M, norm v <= Rad -> robust_at T v M -> 1 - Rad / sqrt (INR T) <= M)
  (* book: \min_{\lVert W\rVert\le R}L_*(W)=1-\frac R{\sqrt T} *)
  /\
  (exists v, norm v <= Rad /\ robust_at T v (1 - Rad / sqrt (INR T))).
Proof.
  intros T Rad alpha k w g HT [HR HRT] Ha H0 Hk Hg Hw.
  assert (N : 0 < INR T) by now apply lt_0_INR. assert (Q := sqrt_lt_R0 _ N).
  assert (QQ : sqrt (INR T) * sqrt (INR T) = INR T) by (apply sqrt_sqrt; lra).
  split; [|split].
  - (* w t has at most t coordinates different from 0, and those are negative *)
    assert (Inv : forall t, (t <= T)%nat -> exists l : list nat, (length l <= t)%nat /\
      forall i, (i < T)%nat -> w t i <= 0 /\ (~ In i l -> w t i = 0)).
    { assert (open : forall t, (t < T)%nat -> (exists l : list nat, (length l <= t)%nat /\
        forall i, (i < T)%nat -> w t i <= 0 /\ (~ In i l -> w t i = 0)) -> w t (k t) = 0).
      { intros t Ht (l & Hl & Hz). destruct (missing T l) as (i & Hi & Hn); [lia|].
        destruct (Hk t) as [Hkt Hmax]. specialize (Hmax i Hi). rewrite !served_hinge in Hmax by easy.
        destruct (Hz i Hi) as [_ Zi]. rewrite (Zi Hn) in Hmax.
        destruct (Hz (k t) Hkt) as [Z _].
        rewrite (Rmax_right 0 (1 + 0)) in Hmax by lra.
        destruct (Rle_or_lt 0 (1 + w t (k t))); [rewrite Rmax_right in Hmax|rewrite Rmax_left in Hmax]; lra. }
      induction t as [|t IH]; intros Ht.
      - exists nil. split; [easy|]. intros i _. rewrite H0. simpl. split; [lra|easy].
      - specialize (IH ltac:(lia)). assert (Ok := open t ltac:(lia) IH).
        destruct IH as (l & Hl & Hz). destruct (Hk t) as [Hkt _].
        (* the gradient is e_k *)
        assert (up : forall v : euclidean T, v (k t) <= << g t, v >>).
        { intros v. assert (D := Hg t v). apply (is_derive_opp (V := R_NormedModule)) in D.
          apply (slope_le _ _ (- v (k t))) in D; [change (opp << g t, v >>) with (- << g t, v >>) in D; lra|].
          intros s Hs. rewrite gradient_start.
          change (- served T (k t) (w t + s * v)%vec - - served T (k t) (w t) <= s * - v (k t)).
          rewrite !served_hinge by easy. change ((w t + s * v)%vec (k t)) with (w t (k t) + s * v (k t)).
          rewrite Ok. assert (M := Rmax_r 0 (1 + (0 + s * v (k t)))).
          rewrite (Rmax_right 0 (1 + 0)); lra. }
        assert (Gv : forall v : euclidean T, << g t, v >> = v (k t)).
        { intros v. assert (U := up v). assert (U' := up (-1 * v)%vec). rewrite dot_vscal_r in U'.
          change ((-1 * v)%vec (k t)) with (-1 * v (k t)) in U'. lra. }
        assert (Gi : forall i, (i < T)%nat -> g t i = if Nat.eqb (k t) i then 1 else 0).
        { intros i Hi. rewrite <- (dot_basis T i (g t) Hi), Gv. unfold basis. easy. }
        assert (Vi : forall i, (i < T)%nat -> (w t - alpha t * g t)%vec i =
          if Nat.eqb (k t) i then - alpha t else w t i).
        { intros i Hi. change ((w t - alpha t * g t)%vec i) with (w t i + -1 * (alpha t * g t i)).
          rewrite Gi by easy. destruct (Nat.eqb_spec (k t) i) as [<-|]; [rewrite Ok|]; in_reals; ring. }
        assert (Ci : exists c, 0 <= c /\ forall i, (i < T)%nat ->
          w (S t) i = c * (w t - alpha t * g t)%vec i).
        { destruct (Hw t) as [-> |Hp]; [exists 1; split; [lra|intros; symmetry; apply Rmult_1_l]|].
          destruct (ball_projection T Rad _ _ HR Hp) as (c & Hc & E). exists c. split; [lra|easy]. }
        destruct Ci as (c & Hc & Ci). exists (k t :: l). split; [simpl; lia|].
        intros i Hi. rewrite Ci, Vi by easy. destruct (Hz i Hi) as [Z1 Z2]. specialize (Ha t).
        destruct (Nat.eqb_spec (k t) i) as [E|E].
        + split; [nra|]. intros Hn. exfalso. apply Hn. now left.
        + split; [nra|]. intros Hn. rewrite Z2; [apply Rmult_0_r|]. intros Hin. apply Hn. now right. }
    (* so some coordinate is 0, hence the largest *)
    intros t Ht. destruct (Inv t ltac:(lia)) as (l & Hl & Hz).
    destruct (missing T l) as (i & Hi & Hn); [lia|].
    assert (R1 : Rmax 0 (1 + w t i) = 1).
    { destruct (Hz i Hi) as [_ Zi]. rewrite (Zi Hn), Rmax_right; lra. }
    assert (R2 : forall j, (j < T)%nat -> Rmax 0 (1 + w t j) <= 1).
    { intros j Hj. destruct (Hz j Hj) as [Z _]. apply Rmax_lub; lra. }
    split.
    + destruct (Hk t) as [Hkt Hmax]. specialize (Hmax i Hi). rewrite !served_hinge in * by easy.
      specialize (R2 (k t) Hkt). lra.
    + apply robust_lub; [easy|easy|now exists i].
  - (* the mean of the T losses is at least 1 - R / sqrt T *)
    intros v M Hv (worst & Hworst & ->).
    destruct (Hworst O ltac:(lia)) as [Hup _].
    replace (mean 1 worst) with (worst O) by (unfold mean; simpl; field).
    assert (each : forall j, (j < T)%nat -> 1 + v j <= worst O).
    { intros j Hj. eapply Rle_trans; [apply (Rmax_r 0)|]. apply Hup.
      exists (basis T j). split; [now exists j|]. unfold hinge, linear. rewrite dot_basis by easy.
      now replace (1 - -1 * v j) with (1 + v j) by ring. }
    apply total_le in each. rewrite total_plus, !total_const in each.
    set (ones := (fun _ => 1) : euclidean T).
    assert (E : total T v = << v, ones >>).
    { apply total_ext. intros. symmetry. apply Rmult_1_r. }
    assert (E1 : norm ones = sqrt (INR T)).
    { unfold norm. f_equal. change (total T (fun _ => 1 * 1) = INR T). rewrite total_const. ring. }
    assert (CS := cauchy_schwarz v ones). rewrite <- E, E1 in CS. apply Rabs_le_between in CS.
    assert (B : norm v * sqrt (INR T) <= Rad * sqrt (INR T)) by (apply Rmult_le_compat_r; lra).
    apply Rmult_le_reg_l with (INR T); [easy|].
    replace (INR T * (1 - Rad / sqrt (INR T))) with (INR T - Rad * sqrt (INR T)).
    2: { set (q := sqrt (INR T)) in *. rewrite <- QQ. field. lra. }
    lra.
  - (* with equality for all coordinates equal *)
    set (c := Rad / sqrt (INR T)).
    assert (Hc : 0 < c <= 1).
    { split; [now apply Rdiv_lt_0_compat|]. apply Rmult_le_reg_r with (sqrt (INR T)); [easy|].
      unfold c, Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
    exists ((fun _ => - c) : euclidean T). split.
    + apply norm_le; [lra|]. change (total T (fun _ => - c * - c) <= Rad ^ 2).
      rewrite total_const. unfold c. set (q := sqrt (INR T)) in *. rewrite <- QQ.
      apply Req_le. field. lra.
    + apply robust_lub; [easy| |].
      * intros j _. apply Rmax_lub; lra.
      * exists O. split; [easy|]. rewrite Rmax_right; lra.
Qed.
